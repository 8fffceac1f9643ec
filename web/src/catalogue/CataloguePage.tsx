import { Link } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { CpuListDocument } from '../gql/graphql';

export function CataloguePage() {
  const [{ data }] = useQuery({ query: CpuListDocument, variables: { first: 50 } });
  return (
    <div className="page">
      <h1>Catalogue</h1>
      <ul>
        {data?.cpus.nodes.map((cpu) => (
          <li key={cpu.id}>
            <Link to="/cpu/$slug" params={{ slug: cpu.slug }}>
              {cpu.name}
            </Link>
          </li>
        ))}
      </ul>
    </div>
  );
}
