import Link from 'next/link';

export default function NotFound() {
  return (
    <div className="empty">
      <p className="empty-title">There is no such page</p>
      <p>
        <Link href="/">All experiments</Link>
      </p>
    </div>
  );
}
