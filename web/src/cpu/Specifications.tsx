import type { ReactNode } from 'react';
import { NONE, whole } from '../lib/format';
import type { CpuRowFragment } from '../gql/graphql';
import styles from './Specifications.module.css';

/** The specifications, one to a line. */
export function Facts({ cpu }: { cpu: CpuRowFragment }) {
  const facts: [string, ReactNode][] = [
    ['Maker', cpu.manufacturer],
    ['Category', cpu.category],
    ['Socket', cpu.socket],
    ['Cores', cpu.cores],
    ['Threads', cpu.threads],
    ['TDP', cpu.tdpW === null ? null : `${whole(cpu.tdpW)} W`],
    ['Year', cpu.releaseYear],
    ['Graphics', cpu.igpuModel],
    ['Graphics mark', cpu.igpuMark === null ? null : whole(cpu.igpuMark)],
  ];
  return (
    <dl className={styles.specifications}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value ?? (
              <span className="muted">
                {NONE}
                <span className="visually-hidden">not known</span>
              </span>
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}
