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
      // It tells what the React Compiler, which is not used here, would leave alone.
      'react-hooks/incompatible-library': 'off',
      // The page's policy forbids it, and nothing here needs it.
      'no-restricted-syntax': [
        'error',
        { selector: 'JSXAttribute[name.name="dangerouslySetInnerHTML"]', message: 'No HTML from strings.' },
      ],
    },
  },
  { files: ['scripts/**'], rules: { 'no-console': 'off' } },
);
