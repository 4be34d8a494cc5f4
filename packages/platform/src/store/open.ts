import type { ArtifactStore } from './artifact-store.js';
import { folderStore } from './folder-store.js';
import { s3Store, type S3Settings } from './s3-store.js';

export type StoreSettings = { kind: 'folder'; folder: string } | ({ kind: 's3' } & S3Settings);

/** The store that the settings name. */
export function openStore(settings: { store: StoreSettings }): ArtifactStore {
  const { store } = settings;
  return store.kind === 'folder' ? folderStore(store.folder) : s3Store(store);
}
