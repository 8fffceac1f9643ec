import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { ConnectionBar } from './ConnectionBar';
import { navigationLinks } from './navigation';
import { ThemeSwitch } from './ThemeSwitch';
import styles from './Shell.module.css';

/** Frame of every page: header, connection notice, content. */
export function Shell() {
  const main = useRef<HTMLElement>(null);
  const path = useRouterState({ select: (state) => state.resolvedLocation?.pathname });
  const previousPath = useRef(path);
  useEffect(() => {
    // Move the focus, so that screen readers announce the new page. The browser announces a reload.
    if (previousPath.current !== undefined && previousPath.current !== path)
      main.current?.focus({ preventScroll: true });
    previousPath.current = path;
  }, [path]);
  return (
    <>
      <a className={styles.skipLink} href="#main">
        Skip to content
      </a>
      <header className={styles.header}>
        <Link to="/" className={styles.brand} aria-label="Dealmark, catalogue">
          <Logo />
          <span className={styles.brandName}>Dealmark</span>
        </Link>
        <nav aria-label="Pages" className={styles.nav}>
          {navigationLinks.map(({ to, label }) => (
            <Link
              key={to}
              to={to}
              className={styles.navLink}
              activeOptions={{ exact: to === '/', includeSearch: false }}
            >
              {label}
            </Link>
          ))}
        </nav>
        <div className={styles.headerEnd}>
          <ThemeSwitch />
        </div>
      </header>
      <ConnectionBar />
      <main id="main" className={styles.main} ref={main} tabIndex={-1}>
        <Outlet />
      </main>
    </>
  );
}

function Logo() {
  return (
    <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
      <rect width="32" height="32" rx="7" className={styles.logoBackground} />
      <path d="M8 22V10h6.2c3.9 0 6.4 2.3 6.4 6s-2.5 6-6.4 6z" className={styles.logoLetter} />
      <circle cx="24.4" cy="9.4" r="2.6" className={styles.logoDot} />
    </svg>
  );
}
