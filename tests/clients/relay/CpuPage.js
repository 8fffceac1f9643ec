import { graphql } from 'relay-runtime';

export const price = graphql`
  fragment CpuPage_price on CPU {
    priceTarget {
      good
      sampleSize
    }
  }
`;

export const page = graphql`
  query CpuPageQuery($id: ID!) {
    cpu(id: $id) {
      name
      ...CpuPage_price
    }
  }
`;

export const list = graphql`
  query CpuPageListQuery($first: Int!) {
    cpus(first: $first) {
      totalCount
      nodes {
        name
        ...CpuPage_price
      }
    }
  }
`;

export const recalculate = graphql`
  mutation CpuPageRecalculateMutation {
    recalculateMetrics {
      job {
        status
      }
    }
  }
`;
