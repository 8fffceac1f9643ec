import { useParams } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { CpuPageDocument } from '../gql/graphql';

export function CpuPage() {
  const { slug } = useParams({ from: '/cpu/$slug' });
  const [{ data }] = useQuery({ query: CpuPageDocument, variables: { slug } });
  return (
    <div className="page">
      <h1>{data?.cpu?.name}</h1>
    </div>
  );
}
