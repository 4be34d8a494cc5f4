/** One line of `doctor`. */
export interface Finding {
  name: string;
  ok: boolean;
  found: string;
  /** What to do about it; null when nothing needs doing or nobody knows. */
  remedy: string | null;
}

/** Something is not as it should be, and `remedy` is the command or step that changes that. */
export class WorkMissing extends Error {
  override readonly name = 'WorkMissing';
  constructor(
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}
