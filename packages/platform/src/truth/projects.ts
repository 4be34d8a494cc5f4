import type { Database } from '../postgres/database.js';
import { Conflict } from './errors.js';

export interface ProjectItem {
  id: string;
  name: string;
  createdAt: string;
}

/** Projects hold experiments. `default` is made with the first experiment that names none. */
export class Projects {
  constructor(private readonly database: Database) {}

  /** @throws Conflict when the name is taken */
  async create(name: string): Promise<ProjectItem> {
    const { rows } = await this.database.pool.query<Omit<ProjectItem, 'createdAt'> & { createdAt: Date }>(
      `INSERT INTO project (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id, name, created_at AS "createdAt"`,
      [name],
    );
    const row = rows[0];
    if (!row) throw new Conflict(`a project "${name}" exists: choose another name`);
    return { ...row, createdAt: row.createdAt.toISOString() };
  }

  /** By name. */
  async list(): Promise<ProjectItem[]> {
    const rows = await this.database.prisma.project.findMany({ orderBy: { name: 'asc' } });
    return rows.map(({ id, name, createdAt }) => ({ id, name, createdAt: createdAt.toISOString() }));
  }
}
