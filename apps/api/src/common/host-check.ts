import type { NextFunction, Request, Response } from 'express';
import { Problem } from './problem.js';

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]']);

/** True if an address to listen on is reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * Refuses requests whose `Host` is another name than this machine's own. A page from elsewhere whose name was made to
 * point at 127.0.0.1 (DNS rebinding) would otherwise be of the same origin as the dashboard.
 */
export function hostCheck(request: Request, _response: Response, next: NextFunction): void {
  const host = (request.get('host') ?? '').toLowerCase();
  const name = host.replace(/:\d+$/, '');
  if (loopbackNames.has(name)) next();
  else
    next(
      new Problem('wrong-host', 'This server listens on loopback: use http://localhost or http://127.0.0.1.'),
    );
}

/** Headers for every answer; Next's exported pages carry inline scripts, hence `unsafe-inline`. */
export function securityHeaders(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader(
    'Content-Security-Policy',
    [
      "default-src 'self'",
      "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'",
      "style-src 'self' 'unsafe-inline'",
      "img-src 'self' data: blob:",
      "media-src 'self' blob:",
      "worker-src 'self' blob:",
      "object-src 'none'",
      "base-uri 'self'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ].join('; '),
  );
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Referrer-Policy', 'same-origin');
  next();
}
