// Bundles the console into dist/, or into the directory passed as an argument. The output depends on the sources and the
// locked versions only, so that a test can compare it with the committed files.
import { copyFile, mkdir } from "node:fs/promises";
import { build } from "esbuild";

const out = process.argv[2] ?? "dist";
await mkdir(out, { recursive: true });
await build({
  entryPoints: { console: "src/main.tsx" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  logLevel: "warning",
});
await build({ entryPoints: ["src/console.css"], outdir: out, minify: true, charset: "utf8", logLevel: "warning" });
for (const file of ["index.html", "icon.svg"]) {
  await copyFile(`src/${file}`, `${out}/${file}`);
}
