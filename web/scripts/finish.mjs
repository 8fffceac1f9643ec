// After `vite build`: the manifest of documents beside the page, compressed twins of what compresses, and the budget.
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const FIRST_LOAD_BUDGET = 200_000; // bytes of script, compressed with gzip, before anything can be seen
const root = fileURLToPath(new URL('..', import.meta.url));
const built = join(root, '../app/web_dist');

copyFileSync(join(root, 'src/gql/persisted-documents.json'), join(built, 'documents.json'));

const sizes = new Map();
for (const file of readdirSync(built, { recursive: true })) {
  if (!/\.(js|css|html|svg)$/.test(file)) continue;
  const content = readFileSync(join(built, file));
  const gzip = gzipSync(content, { level: 9 });
  sizes.set(file, gzip.length);
  writeFileSync(join(built, `${file}.gz`), gzip);
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
  writeFileSync(join(built, `${file}.br`), brotliCompressSync(content, options));
}

// What the catalogue needs, which is the page most people come to first: the entry, its page, and all they import.
const chunks = JSON.parse(readFileSync(join(built, 'build.json'), 'utf8'));
rmSync(join(built, 'build.json'));
const needed = new Set();
const need = (name) => {
  const { file, imports = [] } = chunks[name];
  if (needed.has(file)) return;
  needed.add(file);
  imports.forEach(need);
};
need('index.html');
need('src/catalogue/CataloguePage.tsx');
const first = [...needed].reduce((sum, file) => sum + sizes.get(file), 0);
const scripts = [...sizes].filter(([file]) => file.endsWith('.js'));
const all = scripts.reduce((sum, [, size]) => sum + size, 0);
writeFileSync(join(built, 'budget.json'), `${JSON.stringify({ first, all, budget: FIRST_LOAD_BUDGET })}\n`);
const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
console.log(`Script of the first load: ${kB(first)} of ${kB(FIRST_LOAD_BUDGET)}; of all pages: ${kB(all)} (gzip).`);
if (first > FIRST_LOAD_BUDGET) {
  console.error('That is over the budget: load lazily what the first page does not show.');
  process.exit(1);
}
