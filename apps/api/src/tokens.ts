/** Injection tokens for what has no class of its own. */
export const ARTIFACT_STORE = Symbol('artifact store');
export const SETTINGS = Symbol('settings');
