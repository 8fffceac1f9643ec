import { useEffect, useRef, useState } from 'react';
import { Icon } from '../ui/Icon';
import type { ChangeView, CatalogueView } from './viewState';
import forms from '../ui/forms.module.css';
import styles from './SearchBox.module.css';

// Minimum delay in ms between two requests. The first key is sent immediately.
const DEBOUNCE_MS = 60;

/** Search field that searches while the user types. `/` focuses it from anywhere on the page; Escape clears it. */
export function SearchBox({ view, change }: { view: CatalogueView; change: ChangeView }) {
  const input = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState(view.search);
  const [previousSearch, setPreviousSearch] = useState(view.search);
  const [lastSent, setLastSent] = useState(view.search);
  // Take over the text of another address (back button, link), unless it was sent from here.
  if (previousSearch !== view.search) {
    setPreviousSearch(view.search);
    if (lastSent !== view.search) {
      setLastSent(view.search);
      setTyped(view.search);
    }
  }
  const lastSentAt = useRef(0);
  useEffect(() => {
    if (typed === view.search) return;
    const timer = setTimeout(
      () => {
        lastSentAt.current = performance.now();
        setLastSent(typed);
        change({ search: typed }, { replace: true });
      },
      Math.max(0, lastSentAt.current + DEBOUNCE_MS - performance.now()),
    );
    return () => clearTimeout(timer);
  }, [typed, view.search, change]);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const inField = event.target instanceof Element && event.target.closest('input, textarea, select');
      if (event.key !== '/' || inField || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);
  return (
    <div className={styles.search} role="search">
      <Icon name="search" />
      <input
        ref={input}
        className={forms.input}
        type="search"
        aria-label="Search CPUs by name"
        placeholder="Search, like i5 8500t"
        maxLength={200}
        autoComplete="off"
        spellCheck={false}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') setTyped('');
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}
