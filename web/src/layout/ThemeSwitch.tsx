import { IconButton } from '../ui/Button';
import { chooseTheme, useTheme } from './theme';
import { useMediaQuery } from '../lib/useMediaQuery';

/** Switch between the light and the dark theme. Choosing the system's theme follows the system again. */
export function ThemeSwitch() {
  const theme = useTheme();
  const systemTheme = useMediaQuery('(prefers-color-scheme: dark)') ? 'dark' : 'light';
  const otherTheme = (theme === 'system' ? systemTheme : theme) === 'dark' ? 'light' : 'dark';
  return (
    <IconButton
      label={otherTheme === 'dark' ? 'Dark theme' : 'Light theme'}
      icon="theme"
      onClick={() => chooseTheme(otherTheme === systemTheme ? 'system' : otherTheme)}
    />
  );
}
