// graphql-codegen's client preset, as its command runs it: writes persisted-documents.json and the typed documents.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { codegen } from '@graphql-codegen/core';
import { preset } from '@graphql-codegen/client-preset';
import { buildSchema, parse } from 'graphql';
import { request, sources } from './recorded_fetch.mjs';

const sdl = readFileSync(request.schema, 'utf8');
const files = await preset.buildGeneratesSection({
  baseOutputDir: `${request.folder}/`,
  config: {},
  documents: sources,
  pluginMap: {},
  plugins: [],
  presetConfig: { persistedDocuments: { hashAlgorithm: request.algorithm } },
  schema: parse(sdl),
  schemaAst: buildSchema(sdl),
});
for (const file of files) {
  mkdirSync(dirname(file.filename), { recursive: true });
  writeFileSync(file.filename, await codegen(file));
}
