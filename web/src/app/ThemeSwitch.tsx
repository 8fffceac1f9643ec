import { Menu } from '@base-ui/react/menu';
import { IconButton } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { chooseTheme, type Theme, useTheme } from './theme';

const choices: { value: Theme; label: string }[] = [
  { value: 'system', label: 'As the system' },
  { value: 'light', label: 'Light' },
  { value: 'dark', label: 'Dark' },
];

export function ThemeSwitch() {
  const theme = useTheme();
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger render={<IconButton label="Theme" icon="theme" />} />
      <Menu.Portal>
        <Menu.Positioner align="end" sideOffset={6} className="positioner">
          <Menu.Popup className="popup menu">
            <Menu.RadioGroup value={theme} onValueChange={(value: Theme) => chooseTheme(value)}>
              {choices.map(({ value, label }) => (
                <Menu.RadioItem key={value} value={value} className="menu-item" closeOnClick>
                  <span className="menu-check">
                    <Menu.RadioItemIndicator>
                      <Icon name="check" />
                    </Menu.RadioItemIndicator>
                  </span>
                  {label}
                </Menu.RadioItem>
              ))}
            </Menu.RadioGroup>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
