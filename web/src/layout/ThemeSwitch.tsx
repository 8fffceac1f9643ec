import { IconButton } from '../ui/Button';
import { chooseTheme, useTheme } from './theme';
import { useMedia } from '../lib/useMediaQuery';

/** Light or dark. Whoever goes back to what the system says follows the system again. */
export function ThemeSwitch() {
  const theme = useTheme();
  const system = useMedia('(prefers-color-scheme: dark)') ? 'dark' : 'light';
  const other = (theme === 'system' ? system : theme) === 'dark' ? 'light' : 'dark';
  return (
    <IconButton
      label={other === 'dark' ? 'Dark theme' : 'Light theme'}
      icon="theme"
      onClick={() => chooseTheme(other === system ? 'system' : other)}
    />
  );
}
