import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { Life } from "./app/life";
import { startWorker } from "./session/worker";
import "./store/theme";
import { loadLanguage } from "./strings";
import "./style/tokens.css";
import "./style/base.css";

await loadLanguage();
const life = new Life();
createRoot(document.getElementById("root")!).render(<StrictMode><App life={life} /></StrictMode>);
life.start();
startWorker();
