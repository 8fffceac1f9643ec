import '@fontsource-variable/inter/wght.css';
import './styles/tokens.css';
import './styles/base.css';
import { CSPProvider } from '@base-ui/react/csp-provider';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Provider } from 'urql';
import { client, subscribeToDataChanges } from './api/client';
import { router } from './routes';

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');

createRoot(root).render(
  <StrictMode>
    {/* The Content-Security-Policy blocks <style> elements that scripts create. */}
    <CSPProvider disableStyleElements>
      <Provider value={client}>
        <RouterProvider router={router} />
      </Provider>
    </CSPProvider>
  </StrictMode>,
);

subscribeToDataChanges();
