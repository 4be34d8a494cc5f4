import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Static pages that the API serves (docs/adr/0005-dashboard-static-export.md). */
export default {
  output: 'export',
  trailingSlash: true,
  reactStrictMode: true,
  poweredByHeader: false,
  images: { unoptimized: true },
  turbopack: { root: dirname(dirname(dirname(fileURLToPath(import.meta.url)))) },
};
