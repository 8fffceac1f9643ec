// A field that finds CPUs while one types; choosing one adds it.
import { Combobox } from '@base-ui/react/combobox';
import { useState } from 'react';
import { type Found, useFound, useOpenList } from '../cpu/useCpuSearch';
import { shortName, usd } from '../lib/format';
import { Icon } from '../ui/Icon';
import forms from '../ui/forms.module.css';
import popups from '../ui/popup.module.css';
import styles from './AddCpu.module.css';

export function AddCpu({ chosen, add }: { chosen: string[]; add: (slug: string) => void }) {
  const [typed, setTyped] = useState('');
  const { found, said } = useFound(typed, 8);
  const { list, onKeyDown } = useOpenList(found);
  return (
    <Combobox.Root
      {...list}
      items={found}
      filter={null}
      value={null}
      inputValue={typed}
      autoHighlight
      itemToStringLabel={(cpu: Found) => cpu.name}
      isItemEqualToValue={(one: Found, other: Found) => one.slug === other.slug}
      onInputValueChange={(value, { reason }) => {
        if (reason !== 'item-press') setTyped(value);
      }}
      onValueChange={(cpu: Found | null) => {
        if (!cpu) return;
        setTyped('');
        add(cpu.slug);
      }}
    >
      <Combobox.InputGroup className={styles.addCpu}>
        <Icon name="search" />
        <Combobox.Input
          className={forms.input}
          onKeyDown={onKeyDown}
          aria-label="Add a CPU"
          placeholder="Add a CPU, like i5 8500t"
          maxLength={200}
          autoComplete="off"
          spellCheck={false}
        />
      </Combobox.InputGroup>
      <Combobox.Portal>
        <Combobox.Positioner className={popups.positioner} sideOffset={4} align="start">
          <Combobox.Popup className={`${popups.popup} ${styles.popup}`}>
            <Combobox.Status className={`${styles.status} muted`}>{said}</Combobox.Status>
            <Combobox.List className={popups.menu}>
              {(cpu: Found) => (
                <Combobox.Item
                  key={cpu.slug}
                  value={cpu}
                  disabled={chosen.includes(cpu.slug)}
                  className={`${popups.menuItem} ${styles.item}`}
                >
                  <span className={styles.name}>{shortName(cpu.name)}</span>
                  <span className={`${styles.facts} number`}>
                    {chosen.includes(cpu.slug)
                      ? 'already there'
                      : cpu.priceTarget.good === null
                        ? ''
                        : usd(cpu.priceTarget.good)}
                  </span>
                </Combobox.Item>
              )}
            </Combobox.List>
          </Combobox.Popup>
        </Combobox.Positioner>
      </Combobox.Portal>
    </Combobox.Root>
  );
}
