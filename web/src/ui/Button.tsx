import type { ComponentProps } from 'react';
import styles from './Button.module.css';
import { Icon, type IconName } from './Icon';

interface Appearance {
  kind?: 'plain' | 'solid' | 'quiet' | 'danger';
  size?: 'normal' | 'small';
}

/** Return the class names of a button, for links that look like one. */
export const buttonClass = ({ kind = 'plain', size = 'normal' }: Appearance = {}): string =>
  [styles.button, kind !== 'plain' && styles[kind], size === 'small' && styles.small].filter(Boolean).join(' ');

export function Button({
  kind = 'plain',
  size = 'normal',
  icon,
  className = '',
  children,
  ...rest
}: ComponentProps<'button'> & Appearance & { icon?: IconName }) {
  return (
    <button type="button" {...rest} className={`${buttonClass({ kind, size })} ${className}`}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A button with an icon only. Screen readers read its label; a mouse user sees it as a tooltip. */
export function IconButton({
  label,
  icon,
  className = '',
  ...rest
}: Omit<ComponentProps<'button'>, 'children'> & { label: string; icon: IconName }) {
  return (
    <button
      type="button"
      title={label}
      aria-label={label}
      {...rest}
      className={`${styles.button} ${styles.iconButton} ${className}`}
    >
      <Icon name={icon} />
    </button>
  );
}
