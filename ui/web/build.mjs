// Bundles the console's scripts and styles into ../dist: minified, named by their content, compressed. The same
// source makes the same bytes. manifest.json says which file is which.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "..", "dist");

const { outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: ["src/console.ts", "src/logs.ts", "src/terminal.ts", "src/console.css", "src/terminal.css"],
  entryNames: "[name]",
  assetNames: "[name]-[hash]",
  outdir: dist,
  publicPath: "/assets",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome120", "firefox121", "safari17"],
  loader: { ".woff2": "file" },
  legalComments: "none",
  write: false,
});

mkdirSync(dist, { recursive: true });
for (const name of readdirSync(dist)) {
  if (name !== ".gitignore") rmSync(join(dist, name));
}

const manifest = {};
for (const { path, contents } of outputFiles) {
  const name = path.slice(dist.length + 1);
  const kind = extname(name);
  // A font is compressed by itself, and esbuild has named it by its content already.
  if (kind === ".woff2") {
    writeFileSync(join(dist, name), contents);
    manifest[name.replace(/-[^-]*$/, kind)] = name;
    continue;
  }
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 12);
  const stored = `${name.slice(0, -kind.length)}-${hash}${kind}`;
  writeFileSync(join(dist, `${stored}.gz`), gzipSync(contents, { level: 9 }));
  manifest[name] = stored;
}
writeFileSync(join(dist, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");
