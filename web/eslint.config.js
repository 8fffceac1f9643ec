import hooks from 'eslint-plugin-react-hooks';
import { defineConfig } from 'eslint/config';
import ts from 'typescript-eslint';

export default defineConfig(
  { ignores: ['src/gql/', 'node_modules/'] },
  ts.configs.recommended,
  hooks.configs.flat.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-console': ['error', { allow: ['error'] }],
      'react-hooks/exhaustive-deps': 'error',
      // A hint for the React Compiler, which is not used.
      'react-hooks/incompatible-library': 'off',
      // HTML from strings could contain scripts; nothing needs it.
      'no-restricted-syntax': [
        'error',
        { selector: 'JSXAttribute[name.name="dangerouslySetInnerHTML"]', message: 'Do not create HTML from strings.' },
      ],
    },
  },
  { files: ['scripts/**'], rules: { 'no-console': 'off' } },
);
