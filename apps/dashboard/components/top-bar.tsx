'use client';
import Link from 'next/link';
import { usePathname } from 'next/navigation';
import { useEffect, useState } from 'react';
import { chooseTheme, currentTheme, onThemeChange, type Theme } from '../lib/theme';
import { useConnection } from '../lib/use-resource';

const connectionText = { idle: '', connecting: 'Connecting', live: 'Live', broken: 'Reconnecting' } as const;

const places = [
  { href: '/', title: 'Experiments' },
  { href: '/submit/', title: 'Submit' },
  { href: '/compare/', title: 'Compare' },
  { href: '/best/', title: 'Best' },
  { href: '/datasets/', title: 'Data sets' },
  { href: '/workers/', title: 'Workers' },
] as const;

export function TopBar() {
  const path = usePathname();
  const connection = useConnection();
  return (
    <header className="top-bar">
      <Link href="/" className="brand">
        <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
          <path
            d="M9 2h6M10 2v5.5L5.4 16.8A3.2 3.2 0 0 0 8.3 21.5h7.4a3.2 3.2 0 0 0 2.9-4.7L14 7.5V2"
            fill="none"
            stroke="currentColor"
            strokeWidth="1.8"
            strokeLinecap="round"
            strokeLinejoin="round"
          />
          <circle cx="10" cy="16.5" r="1.3" fill="var(--accent)" />
          <circle cx="13.6" cy="18" r="1" fill="var(--accent)" />
          <circle cx="12.6" cy="13.4" r=".9" fill="var(--accent)" />
        </svg>
        Ferment
      </Link>
      <nav aria-label="Main">
        {places.map(({ href, title }) => (
          <Link key={href} href={href} aria-current={path === href ? 'page' : undefined}>
            {title}
          </Link>
        ))}
      </nav>
      <span className="top-bar-end">
        <span className={`connection connection-${connection}`} role="status">
          {connection === 'idle' ? null : <span className="dot" aria-hidden="true" />}
          {connectionText[connection]}
        </span>
        <ThemeButton />
      </span>
    </header>
  );
}

function ThemeButton() {
  const [theme, setTheme] = useState<Theme | null>(null);
  useEffect(() => {
    const renew = () => setTheme(currentTheme());
    renew();
    return onThemeChange(renew);
  }, []);
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Use the ${other} theme`}
      title={`Use the ${other} theme`}
      onClick={() => chooseTheme(other)}
    >
      <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true">
        <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" strokeWidth="1.6" />
        <path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" />
      </svg>
    </button>
  );
}
