import { useEffect, useRef, useState } from 'react';
import { Icon } from '../ui/Icon';
import type { Change, View } from './viewState';
import forms from '../ui/forms.module.css';
import styles from './SearchBox.module.css';

const PAUSE = 60; // ms from one question to the next: the first key asks at once

/** Searches while one types. `/` comes here from anywhere on the page, Escape empties it. */
export function SearchBox({ view, change }: { view: View; change: Change }) {
  const input = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState(view.search);
  const [seen, setSeen] = useState(view.search);
  const [told, setTold] = useState(view.search);
  // Another address (the back button, a link): the field follows, unless it is what made it.
  if (seen !== view.search) {
    setSeen(view.search);
    if (told !== view.search) {
      setTold(view.search);
      setTyped(view.search);
    }
  }
  const asked = useRef(0);
  useEffect(() => {
    if (typed === view.search) return;
    const timer = setTimeout(
      () => {
        asked.current = performance.now();
        setTold(typed);
        change({ search: typed }, { replace: true });
      },
      Math.max(0, asked.current + PAUSE - performance.now()),
    );
    return () => clearTimeout(timer);
  }, [typed, view.search, change]);
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const inField = event.target instanceof Element && event.target.closest('input, textarea, select');
      if (event.key !== '/' || inField || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    };
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
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
