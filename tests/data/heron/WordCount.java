import java.util.Map;
import org.apache.heron.api.Config;
import org.apache.heron.api.HeronSubmitter;
import org.apache.heron.api.bolt.BaseRichBolt;
import org.apache.heron.api.bolt.OutputCollector;
import org.apache.heron.api.spout.BaseRichSpout;
import org.apache.heron.api.spout.SpoutOutputCollector;
import org.apache.heron.api.topology.OutputFieldsDeclarer;
import org.apache.heron.api.topology.TopologyBuilder;
import org.apache.heron.api.topology.TopologyContext;
import org.apache.heron.api.tuple.Fields;
import org.apache.heron.api.tuple.Tuple;
import org.apache.heron.common.basics.ByteAmount;

/** The topology of wc.defn: sentence 1, split 2, count 2, as in the recorded answers. */
public final class WordCount {
  public static class Sentence extends BaseRichSpout {
    public void open(Map<String, Object> conf, TopologyContext context, SpoutOutputCollector collector) {}
    public void nextTuple() {}
    public void declareOutputFields(OutputFieldsDeclarer declarer) { declarer.declare(new Fields("sentence")); }
  }

  public static class Word extends BaseRichBolt {
    public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector collector) {}
    public void execute(Tuple tuple) {}
    public void declareOutputFields(OutputFieldsDeclarer declarer) { declarer.declare(new Fields("word")); }
  }

  public static void main(String[] args) throws Exception {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("sentence", new Sentence(), 1);
    builder.setBolt("split", new Word(), 2).shuffleGrouping("sentence");
    builder.setBolt("count", new Word(), 2).fieldsGrouping("split", new Fields("word"));
    Config config = new Config();
    config.setComponentCpu("sentence", 0.5);
    for (String component : new String[] {"sentence", "split", "count"}) {
      config.setComponentRam(component, ByteAmount.fromMegabytes(400));
    }
    config.setComponentDisk("count", ByteAmount.fromGigabytes(1));
    config.setMaxSpoutPending(200);
    config.put("my.user.config", "hello");
    HeronSubmitter.submitTopology(args[0], config, builder.createTopology());
  }
}
