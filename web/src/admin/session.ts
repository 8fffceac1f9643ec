// Who is signed in, for what stands below AdminPage.
import { createContext, useContext } from 'react';
import type { Role } from '../gql/graphql';

export interface Session {
  subject: string;
  role: Role;
  /** Whether figures and rules may be changed; operators only look, and import. */
  isAdmin: boolean;
  refresh: () => void;
}

export const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error('Not below AdminPage.');
  return session;
}
