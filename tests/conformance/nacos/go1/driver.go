// The driver of the unmodified Nacos client for Go, version 1. It executes commands from standard input until the input ends. The
// commands and answers are the same for every driver: see tests/src/nacos.rs. The client's log is a file in the working directory.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/nacos-group/nacos-sdk-go/clients"
	"github.com/nacos-group/nacos-sdk-go/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/common/constant"
	"github.com/nacos-group/nacos-sdk-go/model"
	"github.com/nacos-group/nacos-sdk-go/vo"
)

var output sync.Mutex

func say(format string, values ...any) {
	output.Lock()
	defer output.Unlock()
	fmt.Printf(format+"\n", values...)
}

func metadata(text string) map[string]string {
	entries := map[string]string{}
	if text == "-" {
		return entries
	}
	for _, entry := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(entry, "=")
		entries[name] = value
	}
	return entries
}

func shown(ip string, port uint64, weight float64, healthy bool, metadata map[string]string) string {
	entries := []string{}
	for name, value := range metadata {
		entries = append(entries, name+"="+value)
	}
	sort.Strings(entries)
	health := map[bool]string{true: "healthy", false: "unhealthy"}[healthy]
	number := strconv.FormatFloat(weight, 'f', -1, 64)
	if !strings.Contains(number, ".") {
		number += ".0"
	}
	return fmt.Sprintf(" %s:%d/%s/%s/%s", ip, port, number, health, strings.Join(entries, ","))
}

func sorted(texts []string) string {
	sort.Strings(texts)
	return strings.Join(texts, "")
}

func obey(client naming_client.INamingClient, words []string) (string, error) {
	command, service := words[0], words[1]
	var ip, cluster string
	var port uint64
	var weight float64
	var ephemeral bool
	if len(words) == 8 {
		ip, cluster, ephemeral = words[2], words[5], words[6] == "ephemeral"
		port, _ = strconv.ParseUint(words[3], 10, 16)
		weight, _ = strconv.ParseFloat(words[4], 64)
	}
	var err error
	done := true
	switch command {
	case "register":
		done, err = client.RegisterInstance(vo.RegisterInstanceParam{Ip: ip, Port: port, Weight: weight, Enable: true, Healthy: true,
			Metadata: metadata(words[7]), ClusterName: cluster, ServiceName: service, Ephemeral: ephemeral})
	case "update":
		done, err = client.UpdateInstance(vo.UpdateInstanceParam{Ip: ip, Port: port, Weight: weight, Enable: true,
			Metadata: metadata(words[7]), ClusterName: cluster, ServiceName: service, Ephemeral: ephemeral})
	case "deregister":
		done, err = client.DeregisterInstance(vo.DeregisterInstanceParam{Ip: ip, Port: port, Cluster: cluster, ServiceName: service,
			Ephemeral: ephemeral})
	case "list":
		instances, err := client.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: service})
		// The client reports an empty list as this error.
		if err != nil && !strings.Contains(err.Error(), "instance list is empty") {
			return "", err
		}
		texts := []string{}
		for _, i := range instances {
			texts = append(texts, shown(i.Ip, i.Port, i.Weight, i.Healthy, i.Metadata))
		}
		return "hosts " + service + sorted(texts), nil
	case "subscribe":
		err = client.Subscribe(&vo.SubscribeParam{ServiceName: service, SubscribeCallback: func(services []model.SubscribeService, err error) {
			texts := []string{}
			for _, i := range services {
				texts = append(texts, shown(i.Ip, i.Port, i.Weight, i.Healthy, i.Metadata))
			}
			say("changed %s%s", service, sorted(texts))
		}})
	default:
		err = fmt.Errorf("unknown command")
	}
	if err == nil && !done {
		err = fmt.Errorf("the client says that the server refused")
	}
	return "ok " + command + " " + service, err
}

func main() {
	host, port, err := net.SplitHostPort(os.Args[1])
	if err != nil {
		panic(err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		panic(err)
	}
	config := constant.NewClientConfig(constant.WithLogDir("."), constant.WithCacheDir("."), constant.WithLogLevel("warn"),
		constant.WithNotLoadCacheAtStart(true), constant.WithBeatInterval(1000), constant.WithUpdateCacheWhenEmpty(true))
	client, err := clients.NewNamingClient(vo.NacosClientParam{ClientConfig: config,
		ServerConfigs: []constant.ServerConfig{*constant.NewServerConfig(host, number)}})
	if err != nil {
		panic(err)
	}
	say("ready")
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		words := strings.Split(input.Text(), " ")
		if answer, err := obey(client, words); err != nil {
			say("error %s %s", words[0], strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			say("%s", answer)
		}
	}
}
