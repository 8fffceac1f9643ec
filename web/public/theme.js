// Apply the stored theme before the first paint, so that the other one does not flash. See src/layout/theme.ts.
try {
  const theme = localStorage.getItem('dealmark.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is blocked: use the system's theme.
}
