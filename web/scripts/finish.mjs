// After `vite build`: copy the document manifest, write compressed copies of the files, and check the size budget.
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const FIRST_LOAD_BUDGET = 200_000; // gzip bytes of script that the first page needs
const root = fileURLToPath(new URL('..', import.meta.url));
const outDir = join(root, '../app/web_dist');

copyFileSync(join(root, 'src/gql/persisted-documents.json'), join(outDir, 'documents.json'));

const sizes = new Map();
for (const file of readdirSync(outDir, { recursive: true })) {
  if (!/\.(js|css|html|svg)$/.test(file)) continue;
  const content = readFileSync(join(outDir, file));
  const gzip = gzipSync(content, { level: 9 });
  sizes.set(file, gzip.length);
  writeFileSync(join(outDir, `${file}.gz`), gzip);
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
  writeFileSync(join(outDir, `${file}.br`), brotliCompressSync(content, options));
}

// The first load is that of the catalogue: the entry, the page, and all of their imports.
const chunks = JSON.parse(readFileSync(join(outDir, 'build.json'), 'utf8'));
rmSync(join(outDir, 'build.json'));
const needed = new Set();
const addImports = (name) => {
  const { file, imports = [] } = chunks[name];
  if (needed.has(file)) return;
  needed.add(file);
  imports.forEach(addImports);
};
addImports('index.html');
addImports('src/catalogue/CataloguePage.tsx');
const firstLoad = [...needed].reduce((sum, file) => sum + sizes.get(file), 0);
const scripts = [...sizes].filter(([file]) => file.endsWith('.js'));
const all = scripts.reduce((sum, [, size]) => sum + size, 0);
writeFileSync(join(outDir, 'budget.json'), `${JSON.stringify({ first: firstLoad, all, budget: FIRST_LOAD_BUDGET })}\n`);
const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
console.log(
  `Scripts of the first load: ${kB(firstLoad)} of ${kB(FIRST_LOAD_BUDGET)}; of all pages: ${kB(all)} (gzip).`,
);
if (firstLoad > FIRST_LOAD_BUDGET) {
  console.error('The first load exceeds its budget. Load lazily what the first page does not show.');
  process.exit(1);
}
