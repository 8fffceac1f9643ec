// A field that finds CPUs while one types; choosing one adds it.
import { Combobox } from '@base-ui/react/combobox';
import { useDeferredValue, useState } from 'react';
import { useQuery } from 'urql';
import { shortName, usd } from '../format';
import { FindCpusDocument, type FindCpusQuery } from '../gql/graphql';
import { Icon } from '../ui/Icon';

type Found = FindCpusQuery['cpus']['nodes'][number];
const none: Found[] = [];

export function AddCpu({ chosen, add }: { chosen: string[]; add: (slug: string) => void }) {
  const [typed, setTyped] = useState('');
  const search = useDeferredValue(typed.trim());
  const [{ data, fetching, error }] = useQuery({
    query: FindCpusDocument,
    variables: { search },
    pause: search === '',
  });
  const found = search === '' ? none : (data?.cpus.nodes ?? none);
  return (
    <Combobox.Root
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
      <Combobox.InputGroup className="search add-cpu">
        <Icon name="search" />
        <Combobox.Input
          className="input"
          aria-label="Add a CPU"
          placeholder="Add a CPU, like i5 8500t"
          maxLength={200}
          autoComplete="off"
          spellCheck={false}
        />
      </Combobox.InputGroup>
      <Combobox.Portal>
        <Combobox.Positioner className="positioner" sideOffset={4} align="start">
          <Combobox.Popup className="popup found">
            <Combobox.Status className="found-status muted">
              {said(search, found, fetching, error?.message)}
            </Combobox.Status>
            <Combobox.List className="menu">
              {(cpu: Found) => (
                <Combobox.Item
                  key={cpu.slug}
                  value={cpu}
                  disabled={chosen.includes(cpu.slug)}
                  className="menu-item found-item"
                >
                  <span className="found-name">{shortName(cpu.name)}</span>
                  <span className="found-facts number">
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

function said(search: string, found: Found[], fetching: boolean, fault: string | undefined): string | null {
  if (search === '') return 'Type a part of its name.';
  if (fault) return `It could not be searched: ${fault}`;
  if (found.length > 0) return null;
  return fetching ? 'Searching …' : `Nothing is called “${search}”.`;
}
