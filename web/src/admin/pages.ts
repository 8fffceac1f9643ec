// Chunk of all admin pages: a viewer who opens one of them usually opens the others.
export { AdminPage } from './AdminPage';
export { DocumentsPage } from './DocumentsPage';
export { FiguresPage } from './FiguresPage';
export { ImportPage } from './ImportPage';
export { ImportsPage } from './ImportsPage';
export { JobsPage } from './JobsPage';
export { RulesPage } from './RulesPage';
