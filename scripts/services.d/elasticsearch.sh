# Elasticsearch: a service of scripts/services, which reads this file. The node is assembled from published jars and the sources beside this
# file, which is why it lacks what is published nowhere: security, ILM, scripting, ingest pipelines, by-query requests.

elasticsearch_version=8.19.21
elasticsearch_sources=$here/services.d/elasticsearch
elasticsearch_home=$home/elasticsearch

# What is installed was made from exactly this.
elasticsearch_stamp() { echo "$elasticsearch_version $(cat "$elasticsearch_sources"/{assemble.sh,pom.xml,config/*,src/*/*} | cksum)"; }

installed_elasticsearch() {
  all_there java && [ -f "$elasticsearch_home/STAMP" ] && [ "$(<"$elasticsearch_home/STAMP")" = "$(elasticsearch_stamp)" ]
}
version_elasticsearch() { echo "$elasticsearch_version"; }
install_elasticsearch() {
  all_there java javac jar mvn || apt_install default-jdk-headless maven || return
  # The libraries come by way of a folder of their own; a whole installation appears at once.
  rm -rf "$elasticsearch_home.new" &&
    "$elasticsearch_sources/assemble.sh" "$elasticsearch_home.new" "$elasticsearch_version" "$home/maven" &&
    elasticsearch_stamp >"$elasticsearch_home.new/STAMP" &&
    rm -rf "$elasticsearch_home" && mv "$elasticsearch_home.new" "$elasticsearch_home"
}

port_elasticsearch() { echo "${BSKYINGEST_ELASTICSEARCH_PORT:-19200}"; }
run_elasticsearch() { exec "$elasticsearch_sources/start.sh" "$elasticsearch_home" "$home/data/elasticsearch" "$1"; }
healthy_elasticsearch() { http_ok "$1" '/_cluster/health?wait_for_status=yellow&timeout=1s'; }
url_elasticsearch() { echo "http://127.0.0.1:$1"; }
