// A program around the Java client that openapi-generator makes: prints what it got, as JSON.

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.DecisionsApi;
import org.openapitools.client.api.ServiceApi;
import org.openapitools.client.model.BatchResult;
import org.openapitools.client.model.Impact;
import org.openapitools.client.model.LoanApplication;
import org.openapitools.client.model.Prediction;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.Version;
import org.openapitools.client.model.WrongField;

public class Program {
    static final ObjectMapper MAPPER = ApiClient.createDefaultObjectMapper();
    static final DecisionsApi API = new DecisionsApi(); // where the saved document says

    static List<Object> places(List<WrongField> errors) {
        List<Object> places = new ArrayList<>();
        for (WrongField error : errors) places.add(error.getLoc());
        return places;
    }

    static Object refused(LoanApplication application) throws Exception {
        try {
            return API.predict(application);
        } catch (ApiException exception) {
            Problem problem = MAPPER.readValue(exception.getResponseBody(), Problem.class);
            if (problem.getStatus() != exception.getCode()) throw exception;
            return Arrays.asList(problem.getStatus(), places(problem.getErrors()));
        }
    }

    static LoanApplication given(String json) throws Exception {
        return MAPPER.readValue(json, LoanApplication.class);
    }

    public static void main(String[] arguments) throws Exception {
        LoanApplication application = given(arguments[0]);
        LoanApplication wrong = given(arguments[0]);
        wrong.setLoanPercentIncome(java.math.BigDecimal.valueOf(0.9));
        LoanApplication unborn = given(arguments[0]);
        unborn.setPersonAge(-1);
        LoanApplication nulls = given(arguments[0]);
        nulls.setPersonEmpLength(null);
        nulls.setLoanIntRate(null);
        nulls.setLoanPercentIncome(null);

        Prediction answer = API.predict(application);
        List<Object> explained = new ArrayList<>();
        var explanations = API.predictExplain(nulls).getExplanations();
        for (List<Impact> impacts : List.of(explanations.getRiskDrivers(), explanations.getProtectiveFactors())) {
            for (Impact impact : impacts) explained.add(Arrays.asList(impact.getFeature(), impact.getValue()));
        }
        List<Object> batch = new ArrayList<>();
        for (BatchResult row : API.predictBatch(List.of(application, wrong), true).getResults()) {
            batch.add(row.getDecision() != null ? row.getDecision().getValue() : places(row.getErrors()));
        }
        Version version = new ServiceApi().version();
        ObjectNode later = MAPPER.valueToTree(answer);
        later.putObject("added").put("later", 1);

        Map<String, Object> got = new LinkedHashMap<>();
        got.put("predict", Arrays.asList(answer.getDecision().getValue(), answer.getProbabilityOfDefault()));
        got.put("null", API.predict(nulls).getProbabilityOfDefault());
        got.put("negative", refused(unborn));
        got.put("problem", refused(wrong));
        got.put("batch", batch);
        got.put("explained", explained);
        got.put("version", Arrays.asList(version.getService(), version.getBento()));
        got.put("later", MAPPER.treeToValue(later, Prediction.class).getDecision().getValue());
        System.out.println(new ObjectMapper().writeValueAsString(got));
    }
}
