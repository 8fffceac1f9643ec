// Types and documents from src/**/*.graphql and ../schema.graphql, into src/gql (which is not kept in the repository):
//   graphql.ts                 the types, and each document under its name: `CpuListDocument`
//   persisted-documents.json   the manifest: SHA-256 of each document's text, and the text
// graphql-codegen's client preset, run directly: its command brings two hundred packages that only read settings.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addTypenameSelectionDocumentTransform, preset } from '@graphql-codegen/client-preset';
import { codegen } from '@graphql-codegen/core';
import { buildSchema, parse, validate } from 'graphql';

const root = fileURLToPath(new URL('..', import.meta.url));
const output = join(root, 'src/gql/');

export async function generate() {
  const sdl = readFileSync(join(root, '../schema.graphql'), 'utf8');
  const schemaAst = buildSchema(sdl);
  const documents = readdirSync(join(root, 'src'), { recursive: true })
    .filter((file) => file.endsWith('.graphql'))
    .sort()
    .map((file) => {
      const location = join(root, 'src', file);
      const rawSDL = readFileSync(location, 'utf8');
      return { location, rawSDL, document: parse(rawSDL) };
    });
  check(schemaAst, documents);
  const files = await preset.buildGeneratesSection({
    baseOutputDir: output,
    config: { useTypeImports: true, enumsAsTypes: true, scalars: { DateTime: 'string' }, skipTypename: false },
    documents,
    // The cache keys objects by their type: every selection has __typename, and so has the text that is hashed.
    documentTransforms: [{ name: 'typename', transformObject: addTypenameSelectionDocumentTransform, config: {} }],
    pluginMap: {},
    plugins: [],
    presetConfig: { persistedDocuments: { hashAlgorithm: 'sha256' }, fragmentMasking: false },
    schema: parse(sdl),
    schemaAst,
  });
  mkdirSync(output, { recursive: true });
  for (const file of files) {
    const content = await codegen(file);
    // `graphql()` reads documents out of TypeScript; ours have files of their own.
    if (basename(file.filename) === 'gql.ts' || basename(file.filename) === 'index.ts') continue;
    write(file.filename, content);
  }
}

// Only what changed, and whole: somebody else may be reading.
function write(path, content) {
  if (existsSync(path) && readFileSync(path, 'utf8') === content) return;
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, content);
  renameSync(draft, path);
}

// A mistake in a document is told as a compiler does: file, line, reason.
function check(schema, documents) {
  const fragments = documents.flatMap(({ document }) =>
    document.definitions.filter((definition) => definition.kind === 'FragmentDefinition'),
  );
  const faults = documents.flatMap(({ location, document }) => {
    const own = new Set(document.definitions);
    const whole = {
      ...document,
      definitions: [...document.definitions, ...fragments.filter((each) => !own.has(each))],
    };
    return validate(schema, whole)
      .filter((error) => !/^Fragment ".*" is never used/.test(error.message))
      .map((error) => `${location}:${error.locations?.[0]?.line ?? 1}: ${error.message}`);
  });
  if (faults.length > 0) {
    console.error([...new Set(faults)].join('\n'));
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await generate();
