// A program around the TypeScript client that openapi-generator makes: prints what it got, as JSON.
import {
  DecisionsApi, ServiceApi, LoanApplication, LoanApplicationFromJSON, LoanApplicationToJSON, PredictionFromJSON,
  PredictionToJSON, ProblemFromJSON, ResponseError,
} from "./client";

const example = JSON.parse(process.argv[2]);
const api = new DecisionsApi(); // where the saved document says

const given = (changes: object = {}): LoanApplication => LoanApplicationFromJSON({ ...example, ...changes });

async function refused(loanApplication: LoanApplication): Promise<unknown> {
  try {
    return await api.predict({ loanApplication });
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    const problem = ProblemFromJSON(await error.response.json());
    if (problem.status !== error.response.status) throw new Error("another status");
    return [problem.status, problem.errors?.map((wrong) => wrong.loc)];
  }
}

async function main(): Promise<void> {
  const nulls = { person_emp_length: null, loan_int_rate: null, loan_percent_income: null };
  const wrong = given({ loan_percent_income: 0.9 });
  const withNulls: LoanApplication = { ...given(), personEmpLength: null, loanIntRate: null, loanPercentIncome: null };
  const { personEmpLength, loanIntRate, loanPercentIncome, ...absent } = given();
  if (!JSON.stringify(LoanApplicationToJSON(withNulls)).includes(`"loan_int_rate":null`)) throw new Error("null is not sent");
  const answer = await api.predict({ loanApplication: given() });
  const { explanations } = await api.predictExplain({ loanApplication: given(nulls) });
  const { results } = await api.predictBatch({ loanApplication: [given(), wrong], partial: true });
  const version = await new ServiceApi().version();
  console.log(JSON.stringify({
    predict: [answer.decision, answer.probabilityOfDefault],
    null: (await api.predict({ loanApplication: withNulls })).probabilityOfDefault,
    absent: (await api.predict({ loanApplication: absent })).probabilityOfDefault,
    negative: await refused({ ...given(), personAge: -1 }),
    problem: await refused(wrong),
    batch: results.map((row) => row.decision ?? row.errors?.map((error) => error.loc)),
    explained: [...explanations.riskDrivers, ...explanations.protectiveFactors].map((e) => [e.feature, e.value ?? null]),
    version: [version.service, version.bento],
    later: PredictionFromJSON({ ...PredictionToJSON(answer), added: { later: 1 } }).decision,
  }));
}

main().catch((error) => { console.error(error); process.exit(1); });
