import { Link, useParams } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useQuery } from 'urql';
import { CpuPageDocument, FilterChoicesDocument } from '../gql/graphql';
import { Icon } from '../ui/Icon';
import { CpuSummary } from './CpuSummary';

export function CpuPage() {
  const { slug } = useParams({ from: '/cpu/$slug' });
  const [{ data: choices }] = useQuery({ query: FilterChoicesDocument });
  const [{ data }] = useQuery({ query: CpuPageDocument, variables: { slug }, requestPolicy: 'cache-only' });
  const name = data?.cpu?.name;
  useEffect(() => {
    document.title = name ? `${name} – Dealmark` : 'Dealmark';
  }, [name]);
  const statistics = choices?.statistics;
  return (
    <div className="page">
      <nav aria-label="Back" className="crumbs">
        <Link to="/">
          <Icon name="left" size={14} /> Catalogue
        </Link>
      </nav>
      <CpuSummary
        slug={slug}
        scale={{ multi: statistics?.cpuMarkMulti.max ?? 0, single: statistics?.cpuMarkSingle.max ?? 0 }}
      />
    </div>
  );
}
