import type { ReactNode } from "react";
import { Avatar } from "../components/Avatar";
import { usePicture } from "../session/media/use";

interface FaceProps {
    id: string;
    name: string;
    picture?: string; // its mxc address; "" for none
    size?: "tiny" | "small" | "middle" | "large";
}

const sides = { tiny: 24, small: 32, middle: 48, large: 80 };

/** Somebody's or a room's picture, fetched when it is shown; letters until it has come. */
export function Face({ id, name, picture, size = "middle" }: FaceProps): ReactNode {
    const url = usePicture(picture || undefined, sides[size]);
    return <Avatar id={id} name={name} size={size} {...(url && { picture: url })} />;
}
