import type { ComponentProps } from 'react';
import { Icon, type IconName } from './Icon';
import './controls.css';

type Looks = { kind?: 'plain' | 'solid' | 'quiet'; size?: 'normal' | 'small' };

export function Button({
  kind = 'plain',
  size = 'normal',
  icon,
  className = '',
  children,
  ...rest
}: ComponentProps<'button'> & Looks & { icon?: IconName }) {
  return (
    <button type="button" {...rest} className={`button button-${kind} button-${size} ${className}`}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A button that is only an icon; its label is read out, and shown when the pointer rests on it. */
export function IconButton({
  label,
  icon,
  className = '',
  ...rest
}: Omit<ComponentProps<'button'>, 'children'> & { label: string; icon: IconName }) {
  return (
    <button type="button" title={label} aria-label={label} {...rest} className={`button button-icon ${className}`}>
      <Icon name={icon} />
    </button>
  );
}
