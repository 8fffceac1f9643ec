// Before the first paint, so that nobody who chose a theme sees the other one flash. See src/app/theme.ts.
try {
  const chosen = localStorage.getItem('dealmark.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; the system's theme it is.
}
