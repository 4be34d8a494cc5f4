import type { ReactElement } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';

/** What paints a shape, with what it is where nothing is said; the page's style sheet says most of it. */
const shapePaint: Readonly<Record<string, string>> = {
  fill: 'rgb(0, 0, 0)',
  stroke: 'none',
  'stroke-width': '1px',
  'stroke-dasharray': 'none',
};
const textPaint: Readonly<Record<string, string>> = {
  fill: 'rgb(0, 0, 0)',
  'font-size': '',
  'font-weight': '400',
  'text-anchor': 'start',
};
const fonts = 'Helvetica, Arial, sans-serif';
const namespace = 'http://www.w3.org/2000/svg';
const pngScale = 2;

/** A figure as a file: its text, and its size in pixels. */
export interface SvgFile {
  readonly text: string;
  readonly width: number;
  readonly height: number;
}

/**
 * A figure as a file of its own: in the colours of the light theme on white, whatever the page shows, with no variable,
 * class or style sheet left in it.
 *
 * @param figure an `<svg>` with width, height and viewBox
 * @param title  what it shows, for those who do not see it
 */
export function svgOf(figure: ReactElement, title: string): SvgFile {
  const host = document.createElement('div');
  host.setAttribute('aria-hidden', 'true');
  host.className = 'paper';
  host.style.cssText = 'position:fixed;left:-10000px;top:0';
  document.body.append(host);
  const root = createRoot(host);
  try {
    flushSync(() => root.render(figure));
    const drawn = host.querySelector('svg');
    if (!drawn) throw new Error('there is nothing to save yet');
    return standalone(drawn, title);
  } finally {
    root.unmount();
    host.remove();
  }
}

function standalone(drawn: SVGSVGElement, title: string): SvgFile {
  const { width, height } = drawn.viewBox.baseVal;
  for (const element of drawn.querySelectorAll<SVGElement>('*')) {
    const style = getComputedStyle(element);
    if (element instanceof SVGTitleElement) {
      element.remove();
      continue;
    }
    const isText = element instanceof SVGTextElement;
    if (isText || element instanceof SVGGeometryElement) {
      for (const [name, usual] of Object.entries(isText ? textPaint : shapePaint)) {
        const value = style.getPropertyValue(name);
        if (value === usual) element.removeAttribute(name);
        else paint(element, name, value);
      }
    }
    if (isText) element.setAttribute('font-family', fonts);
  }
  for (const element of [drawn, ...drawn.querySelectorAll('*')])
    for (const name of ['class', 'style', 'role', 'aria-label', 'aria-hidden', 'tabindex'])
      element.removeAttribute(name);
  const name = document.createElementNS(namespace, 'title');
  name.textContent = title;
  const ground = document.createElementNS(namespace, 'rect');
  for (const [key, value] of Object.entries({ width, height, fill: '#ffffff' }))
    ground.setAttribute(key, String(value));
  drawn.prepend(name, ground);
  drawn.setAttribute('xmlns', namespace);
  drawn.setAttribute('width', String(width));
  drawn.setAttribute('height', String(height));
  return { text: new XMLSerializer().serializeToString(drawn), width, height };
}

/** Colours as #rrggbb and an opacity: programs that draw SVG outside of browsers know no others. */
function paint(element: SVGElement, name: string, value: string): void {
  const [red, green, blue, alpha] = /^rgba?\(/.test(value) ? (value.match(/[\d.]+/g) ?? []).map(Number) : [];
  if (red === undefined || green === undefined || blue === undefined) {
    element.setAttribute(name, value);
    return;
  }
  const hex = [red, green, blue].map((part) => Math.round(part).toString(16).padStart(2, '0')).join('');
  element.setAttribute(name, `#${hex}`);
  const own = Number(element.getAttribute(`${name}-opacity`) ?? 1);
  if (alpha !== undefined && alpha < 1) element.setAttribute(`${name}-opacity`, String(own * alpha));
}

/** The same as pixels, two for each of its own. */
export async function pngOf({ text, width, height }: SvgFile): Promise<Blob> {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await picture.decode();
  const canvas = document.createElement('canvas');
  canvas.width = width * pngScale;
  canvas.height = height * pngScale;
  const context = canvas.getContext('2d');
  if (!context) throw new Error('this browser gave no canvas to draw on');
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob) resolve(blob);
      else reject(new Error('this browser could not write the picture'));
    }, 'image/png');
  });
}

/** Hands a file to the browser's downloads. */
export function saveFile(content: Blob | string, name: string, type: string): void {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The download has its own hold on the bytes once it has begun.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
