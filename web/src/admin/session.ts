// The signed-in viewer, for the components below AdminPage.
import { createContext, useContext } from 'react';
import type { Role } from '../gql/graphql';

export interface Session {
  subject: string;
  role: Role;
  /** Whether the viewer may change figures and rules. Operators may read everything and start imports. */
  isAdmin: boolean;
  refresh: () => void;
}

export const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error('Not below AdminPage.');
  return session;
}
