// One chunk: whoever opens one page of administration opens the others, too.
export { AdminPage } from './AdminPage';
export { DocumentsPage } from './DocumentsPage';
export { FiguresPage } from './FiguresPage';
export { ImportPage } from './ImportPage';
export { ImportsPage } from './ImportsPage';
export { JobsPage } from './JobsPage';
export { RulesPage } from './RulesPage';
