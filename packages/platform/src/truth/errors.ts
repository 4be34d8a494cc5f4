/** What was named does not exist. */
export class NotFound extends Error {
  override name = 'NotFound';
}

/** What was asked for contradicts what is there. */
export class Conflict extends Error {
  override name = 'Conflict';
}
