/** Something is not as it should be, and `remedy` is the command or step that changes that. */
export class WorkMissing extends Error {
  override readonly name = 'WorkMissing';
  constructor(
    message: string,
    readonly remedy: string,
    /** What was expected instead, where the message does not say it. */
    readonly expected: string | null = null,
  ) {
    super(message);
  }
}
