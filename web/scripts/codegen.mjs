// Generate src/gql (not in the repository) from src/**/*.graphql and ../schema.graphql:
//   graphql.ts                 types, and one constant per document: `CpuListDocument`
//   persisted-documents.json   manifest: SHA-256 of each document, and its text
// It runs graphql-codegen's client preset directly, because its command line tool has two hundred dependencies.
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
    // The cache needs __typename in every selection, so the hashed text contains it as well.
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
    // These files are for documents inside TypeScript, which are not used here.
    if (basename(file.filename) === 'gql.ts' || basename(file.filename) === 'index.ts') continue;
    write(file.filename, content);
  }
}

// Write changed files only, and atomically, because another process may read them.
function write(path, content) {
  if (existsSync(path) && readFileSync(path, 'utf8') === content) return;
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}

// Report errors in documents like a compiler: file, line, reason.
function check(schema, documents) {
  const fragments = documents.flatMap(({ document }) =>
    document.definitions.filter((definition) => definition.kind === 'FragmentDefinition'),
  );
  const errors = documents.flatMap(({ location, document }) => {
    const ownDefinitions = new Set(document.definitions);
    const withFragments = {
      ...document,
      definitions: [...document.definitions, ...fragments.filter((fragment) => !ownDefinitions.has(fragment))],
    };
    return validate(schema, withFragments)
      .filter((error) => !/^Fragment ".*" is never used/.test(error.message))
      .map((error) => `${location}:${error.locations?.[0]?.line ?? 1}: ${error.message}`);
  });
  if (errors.length > 0) {
    console.error([...new Set(errors)].join('\n'));
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await generate();
