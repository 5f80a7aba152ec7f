// Pictures of what is done with messages. Part of `npm run shots`; alone: node e2e/talkShots.ts.

import type { Page } from "playwright-core";
import { message, openRoom, register, setUp, write } from "./house.ts";
import { phoneForm, takePictures } from "./shoot.ts";

const act = async (page: Page, text: string, action: string): Promise<void> => {
    await message(page, text).first().getByText(text).last().click({ button: "right" });
    await page.getByRole("menuitem", { name: action, exact: true }).click();
};

const field = (page: Page) => page.getByRole("textbox", { name: "Write a message" });

await takePictures("talk", async (house, shoot) => {
    const alice = await house.page();
    await setUp(house, alice, "alice", "a quiet morning");
    const bob = await house.page();
    await register(house, bob, "bob", "rain on the roof");
    const clara = await house.page(phoneForm);
    await register(house, clara, "clara", "rain on the roof");
    await alice.getByRole("button", { name: "New chat" }).first().click();
    await alice.getByRole("button", { name: "New group" }).click();
    await alice.getByLabel("Name of the group").fill("Garden on Elm Street");
    for (const name of ["bob", "clara"]) {
        await alice.getByRole("textbox", { name: "Members" }).fill(name);
        await alice.getByRole("button", { name: new RegExp(`@${name}:`) }).click();
    }
    await alice.getByRole("button", { name: "Make group" }).click();
    await write(alice, "Shall we plant tomatoes this year? Last summer they took the whole south side.");
    for (const page of [bob, clara]) {
        await openRoom(page, "Garden");
        await page.getByRole("button", { name: "Accept" }).click();
        await message(page, "Shall we plant tomatoes").waitFor();
    }
    await act(bob, "Shall we plant tomatoes", "Reply");
    await bob.getByText("Reply to alice").waitFor();
    await write(bob, "Yes, **six** of them, and `basil` between:\n\n- two by the wall\n- four along the path");
    await message(alice, "four along the path").waitFor();
    await write(clara, "I have seeds of the small yellow ones 🍅");
    for (const [page, key] of [[alice, "👍"], [bob, "❤️"], [clara, "👍"]] as const) {
        if (page === clara) await message(clara, "four along").getByRole("button", { name: /👍, 1/ }).click();
        else {
            await message(page, "four along the path").getByText("four along").click({ button: "right" });
            await page.getByRole("menuitem", { name: key }).click();
        }
    }
    await write(alice, "About the fence");
    await message(bob, "About the fence").waitFor();
    await act(bob, "About the fence", "Reply in thread");
    for (const text of ["It needs paint before the frost comes.", "Green, I think"]) {
        const box = bob.getByRole("complementary", { name: "Thread" }).getByRole("textbox", { name: "Reply in the thread" });
        await box.fill(text);
        await box.press("Enter");
        await bob.getByRole("complementary", { name: "Thread" }).getByRole("article").filter({ hasText: text }).getByLabel("Sent").waitFor();
    }
    await message(alice, "About the fence").getByRole("button", { name: /2 replies/ }).waitFor();
    await shoot(alice, "group-desktop");
    await shoot(clara, "group-phone");
    await message(alice, "About the fence").getByRole("button", { name: /2 replies/ }).click();
    await alice.getByRole("complementary", { name: "Thread" }).getByText("Green, I think").waitFor();
    await shoot(alice, "thread-desktop");
    await message(clara, "About the fence").getByRole("button", { name: /2 replies/ }).click();
    await clara.getByRole("complementary", { name: "Thread" }).getByText("Green, I think").waitFor();
    await shoot(clara, "thread-phone");
    await clara.getByRole("button", { name: "Close" }).click();
    await alice.getByRole("button", { name: "Threads" }).click();
    await shoot(alice, "threads-desktop");
    await alice.getByRole("button", { name: "Close" }).click();
    await bob.getByRole("button", { name: "Close" }).click();

    await bob.getByRole("button", { name: "Attach" }).click();
    await bob.getByRole("menuitem", { name: "Poll" }).click();
    await shoot(bob, "new-poll-desktop");
    const poll = bob.getByRole("dialog");
    await poll.getByLabel("Question").fill("When do we paint the fence?");
    const answers = ["On Saturday morning", "On Sunday, after lunch", "When it is warm again"];
    await poll.getByRole("button", { name: "Add an answer" }).click();
    for (const [i, text] of answers.entries()) await poll.getByRole("textbox", { name: `Answer ${i + 1}` }).fill(text);
    await poll.getByRole("button", { name: "Ask" }).click();
    await message(alice, "When do we paint the fence?").waitFor();
    for (const [page, i] of [[alice, 0], [clara, 0], [bob, 1]] as const) await message(page, "When do we paint").getByText(answers[i]!).click();
    await alice.waitForTimeout(1000);
    await act(bob, "Shall we plant tomatoes", "Reply"); // to be left open
    await act(alice, "four along the path", "Pin");
    await alice.waitForTimeout(1500);
    await shoot(alice, "poll-desktop");
    await shoot(clara, "poll-phone");

    await message(alice, "four along the path").getByText("four along").click({ button: "right" });
    await alice.getByRole("menu").waitFor();
    await shoot(alice, "message-menu-desktop");
    await alice.keyboard.press("Escape");
    await message(alice, "I have seeds").hover();
    await message(alice, "I have seeds").getByRole("button", { name: "React", exact: true }).click();
    await alice.getByPlaceholder("Search emoji").waitFor();
    await alice.waitForTimeout(500);
    await shoot(alice, "emoji-desktop");
    await alice.keyboard.press("Escape");
    await act(alice, "I have seeds", "Forward");
    await shoot(alice, "forward-desktop");
    await alice.keyboard.press("Escape");
    await alice.getByRole("textbox", { name: "Write a message" }).pressSequentially("@cl");
    await alice.waitForTimeout(400);
    await shoot(alice, "mention-desktop");
    await alice.keyboard.press("Tab");
    await write(alice, `${await alice.getByRole("textbox", { name: "Write a message" }).inputValue()} bring a brush, please`);
    await message(clara, "bring a brush").waitFor();
    await field(alice).press("ArrowUp");
    await alice.getByText("Editing your message").waitFor();
    await shoot(alice, "edit-desktop");
    await alice.keyboard.press("Escape");
    await alice.getByRole("button", { name: "All pinned messages" }).click();
    await alice.getByRole("complementary").getByText("four along the path").waitFor();
    await shoot(alice, "pins-desktop");
    await alice.getByRole("button", { name: "Close" }).click();
    await act(alice, "About the fence", "Delete");
    await shoot(alice, "delete-desktop");
    await alice.keyboard.press("Escape");
    await alice.getByRole("button", { name: "Search messages" }).click();
    await alice.getByRole("complementary").getByRole("searchbox").fill("paint");
    await alice.waitForTimeout(1500);
    await shoot(alice, "search-desktop");
    await alice.getByRole("button", { name: "Close" }).click();
    await shoot(bob, "reply-desktop");

    await house.stop();
    await alice.getByText("The server has not answered since").waitFor();
    await write(alice, "This one waits for the server");
    await alice.waitForTimeout(500);
    await shoot(alice, "cut-desktop");
    await house.start();
    await message(clara, "This one waits").waitFor();

    const touch = await clara.context().newCDPSession(clara);
    const pressLong = async (): Promise<void> => {
        const seeds = message(clara, "I have seeds").getByText("I have seeds");
        await seeds.scrollIntoViewIfNeeded();
        await clara.waitForTimeout(300); // until it rests: a finger on what moves is none that does
        const box = (await seeds.boundingBox())!;
        await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: box.x + 20, y: box.y + 8 }] });
        await clara.getByRole("dialog").getByRole("button", { name: "Reply", exact: true }).waitFor();
        await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    };
    await pressLong();
    await shoot(clara, "message-menu-phone");
    await clara.getByRole("dialog").getByRole("button", { name: "Reply", exact: true }).click();
    await shoot(clara, "reply-phone");
    await clara.getByRole("button", { name: "Cancel" }).click();
    await pressLong();
    await clara.getByRole("dialog").getByRole("button", { name: "Edit", exact: true }).click();
    await shoot(clara, "edit-phone");
    await clara.getByRole("button", { name: "Cancel" }).click();
    await clara.getByRole("button", { name: "Search messages" }).click();
    await clara.getByRole("complementary").getByRole("searchbox").fill("fence");
    await clara.waitForTimeout(1500);
    await shoot(clara, "search-phone");
    await clara.getByRole("button", { name: "Close" }).click();
    await alice.goto(house.url);
    await alice.getByRole("button", { name: "Menu" }).click();
    await alice.getByRole("menuitemradio", { name: "Русский" }).click();
    await openRoom(alice, "Garden");
    await alice.waitForTimeout(800);
    await shoot(alice, "group-russian-desktop");
    await alice.getByRole("button", { name: "Поиск сообщений" }).click();
    await alice.getByRole("complementary").getByRole("searchbox").fill("fence");
    await alice.waitForTimeout(1500);
    await shoot(alice, "search-russian-desktop");
});
