import { Link } from "wouter";
import { countOf, formatCount, formatMoney, shippingNames } from "../format";
import { type FragmentType, readFragment } from "../gql";
import { OrderItemsFragmentDoc } from "../gql/graphql";
import { addressOf } from "../orders/conditions";

export function Items({ order }: { order: FragmentType<typeof OrderItemsFragmentDoc> }) {
  const { items, total } = readFragment(OrderItemsFragmentDoc, order);
  const pieces = items.reduce((sum, { quantity }) => sum + quantity, 0);
  return (
    <section className="card items-card" aria-labelledby="items">
      <h2 id="items">
        {countOf(items.length, "item")}
        {pieces > items.length && <span className="muted">, {countOf(pieces, "piece")}</span>}
      </h2>
      <table className="items-table">
        <thead>
          <tr>
            <th scope="col">Product</th>
            <th scope="col">Shipping</th>
            <th scope="col" className="amount">
              Price
            </th>
            <th scope="col" className="amount">
              Quantity
            </th>
            <th scope="col" className="amount">
              Total
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={item.id}>
              <th scope="row">
                <Link
                  href={addressOf({ product: item.productId })}
                  title={`Orders with ${item.name}`}
                >
                  {item.name}
                </Link>
              </th>
              <td data-name="Shipping">{shippingNames[item.shipping]}</td>
              <td data-name="Price" className="amount">
                {formatMoney(item.unitPrice)}
              </td>
              <td data-name="Quantity" className="amount">
                {formatCount(item.quantity)}
              </td>
              <td data-name="Total" className="amount">
                {formatMoney(item.total)}
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row" colSpan={4}>
              Order total
            </th>
            <td className="amount">{formatMoney(total)}</td>
          </tr>
        </tfoot>
      </table>
    </section>
  );
}
