import { render } from "preact";
import { App } from "./app";
import { start } from "./live";

const root = document.getElementById("console");
if (root !== null) {
  start();
  root.replaceChildren();
  render(<App />, root);
}
