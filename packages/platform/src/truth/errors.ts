/** What was named does not exist. */
export class NotFound extends Error {
  override name = 'NotFound';
}

/**
 * The store has no file at all where the database knows some: it is not mounted, or another one was named. Nothing is
 * taken for lost then, since taking it so would run everything again.
 */
export class StoreEmpty extends Error {
  override name = 'StoreEmpty';
  constructor(known: number) {
    super(
      `the store is empty, and ${known} files should be in it: expected the folder or bucket that this installation ` +
        'has written to; mount it, or correct FERMENT_STORE_FOLDER or FERMENT_S3_BUCKET',
    );
  }
}

/** What was asked for contradicts what is there. */
export class Conflict extends Error {
  override name = 'Conflict';
}
