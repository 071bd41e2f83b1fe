/** What the service knows the operations by: the SHA-256 of each one's text. */
export const documentIds: Readonly<Record<string, string>> = {
  ChangeAddress: "7f24f3bb399ec5094adfce3fd0f575deb9cea952a6449f207c048dbb8ecbd3da",
  ChangeStatus: "495d674838bd4cad042156f35848c4b98d7eca784b12ab99dbd2d8d40f61f815",
  Customer: "f45e184d0487d46d3225f84eea65b5cfaccf5d1916235fbeaaed0a6e7c363b96",
  CustomersOfOrders: "de5a2fe58e41fae0335bea6b449bddef65505015c65963279341b085f84c1982",
  Delete: "c3bb25ed654b61def067bd9a10ed430e4eb04a2f2e97d42a452bdb92080c7135",
  Figures: "4e022f8cbdebcde2a035eee78006b26e8a1eb987afd12c00fa28dce3ad378901",
  Order: "0d2dbd60fbf060b976eb8f2ea89b3dbe5d832361d879d8db5a69a8aedf4b98f5",
  OrderCount: "bb21245f6297ee8991427b049d457d872a404237c540ec322f2ce842f9893718",
  OrderEvents: "3ebf2f9ea04b0970219af84abc528cd496455baa9cce38c0e9b6fdcf4a654ddf",
  Orders: "63f92cbc0ec5ddc1812832462b4870bfba4d9029c52f2a15d05f997a60b7022b",
  ProductName: "673e962d854bb267d07c0ed5908b18988b848cccb0e9c35a3c871ccf43e042eb",
  Restore: "c1e273706cffbaeb91f62cc7b7154bf43408a2dc69dccd1554c4d36a48fa90c8",
  Viewer: "13cd0e23053801f618d0d1ccfbbb5256687fb13ebaed1240cf67fe4c0478e28e",
};
